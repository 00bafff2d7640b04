// The device step. The key pair is made here; the server is sent a name and the public key, and answers with a file per
// location in which the private key is missing. It is put in here, and is gone when the page is closed.

import { archiveOf } from "./archive";
import { type Place, withKey } from "./config";
import { isSaved, mustSave } from "./guard";
import { kindOf } from "./guess";
import { type KeyPair, newKeyPair } from "./keys";
import { type Lamp, watchLamps } from "./lamp";
import { placeView, save } from "./place";
import { textOf } from "./texts";

/** The WireGuard apps take an archive of files as they take a file. */
const ARCHIVE = "wireguard.zip";

interface Answer {
    readonly device: { readonly id: number | string; readonly name: string };
    readonly places: readonly Place[];
}

/** The element that carries the texts; around it are a form for a device, or the device that was registered. */
export function startDevice(root: HTMLElement): void {
    const form = document.getElementById(root.dataset.form ?? "");
    const step = new DeviceStep(root);
    if (form instanceof HTMLFormElement) step.offer(form);
    const newKey = document.getElementById("device-new-key");
    if (newKey !== null) step.offerNewKey(newKey, root.dataset.device ?? "");
    step.lightRegistered();
}

class DeviceStep {
    private lamps: Lamp[] = [];
    private stopWatching = (): void => {};
    /** What the present files are called in the guard. */
    private generation = 0;

    constructor(private readonly root: HTMLElement) {}

    /** Lets the form make keys and register the device. */
    offer(form: HTMLFormElement): void {
        const name = form.elements.namedItem("name");
        const button = form.querySelector("button");
        if (!(name instanceof HTMLInputElement) || button === null) return;
        if (name.value === "") name.value = textOf(this.root, kindOf(navigator)).slice(0, name.maxLength);
        // One pair for all attempts: an answer that was lost must not leave a device with a key that nobody has.
        const keys = newKeyPair();
        form.addEventListener("submit", async (event) => {
            event.preventDefault();
            const body = { name: name.value.trim(), pubkey: keys.publicKey };
            const answer = await this.ask(button, this.root.dataset.register ?? "", body);
            name.toggleAttribute("aria-invalid", answer === null);
            if (answer === null) name.focus();
            else this.show(answer, keys);
        });
    }

    /** Lets the button give the device another key. */
    offerNewKey(button: HTMLElement, device: string): void {
        button.addEventListener("click", async () => {
            const keys = newKeyPair();
            const id = /^\d+$/.test(device) ? Number(device) : device;
            const answer = await this.ask(button, this.root.dataset.newKey ?? "", {
                device: id,
                pubkey: keys.publicKey,
            });
            if (answer !== null) this.show(answer, keys);
        });
    }

    /** Keeps the lamps of a device alight that was registered before. */
    lightRegistered(): void {
        const lamps = document.querySelectorAll<HTMLElement>("#device-registered .lamp");
        this.watch(
            this.root.dataset.device ?? "",
            [...lamps].map((element) => ({ element, connected: () => {} })),
        );
    }

    private async ask(button: HTMLElement, path: string, body: unknown): Promise<Answer | null> {
        const label = button.textContent;
        button.toggleAttribute("disabled", true);
        button.textContent = textOf(this.root, "working") || label;
        this.complain("");
        try {
            const headers = { "content-type": "application/json", accept: "application/json" };
            const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
            const said = await answer.json();
            if (answer.ok) return said;
            this.complain(typeof said.error === "string" ? said.error : textOf(this.root, "failed"));
        } catch {
            this.complain(textOf(this.root, "failed"));
        } finally {
            button.toggleAttribute("disabled", false);
            button.textContent = label;
        }
        return null;
    }

    private complain(text: string): void {
        const element = document.getElementById("device-error");
        if (element === null) return;
        element.textContent = text;
        element.hidden = text === "";
    }

    private show({ device, places }: Answer, keys: KeyPair): void {
        const result = document.getElementById(this.root.dataset.result ?? "");
        const template = document.getElementById("device-result-template");
        if (result === null || !(template instanceof HTMLTemplateElement)) return;
        for (const id of [
            "device-form",
            "device-client",
            "device-own",
            "device-skip",
            "device-registered",
            "device-intro",
        ]) {
            document.getElementById(id)?.toggleAttribute("hidden", true);
        }
        result.replaceChildren(template.content.cloneNode(true));
        const slot = (name: string): HTMLElement | null => result.querySelector(`[data-slot="${name}"]`);
        this.fill(slot, String(device.id), places, keys);
        const newKey = slot("new-key");
        if (newKey !== null) this.offerNewKey(newKey, String(device.id));
        result.hidden = false;
        result.focus();
        result.scrollIntoView();
    }

    private fill(
        slot: (name: string) => HTMLElement | null,
        device: string,
        places: readonly Place[],
        keys: KeyPair,
    ): void {
        const placeholder = this.root.dataset.placeholder ?? "";
        const files = places.map((place) => ({
            name: place.file_name,
            text: withKey(place.config, placeholder, keys.privateKey),
        }));
        // Those of an earlier key are worth nothing any more.
        const guarded = (generation: number, index: number): string => `${generation}/${index}`;
        for (const index of this.lamps.keys()) isSaved(guarded(this.generation, index));
        this.generation += 1;
        const { generation } = this;
        this.lamps = places.map((place, index) => {
            mustSave(guarded(generation, index));
            const saved = (): void => isSaved(guarded(generation, index));
            const view = placeView(this.root, place, files[index]?.text ?? "", saved);
            slot("places")?.append(view.section);
            // Whoever has connected has the file.
            return { element: view.lamp, connected: saved };
        });
        const archive = slot("archive");
        archive?.toggleAttribute("hidden", places.length < 2);
        archive?.addEventListener("click", async () => {
            save(ARCHIVE, await archiveOf(files, new Date()));
            for (const index of places.keys()) isSaved(guarded(generation, index));
        });
        this.watch(
            device,
            this.lamps,
            places.map(({ state }) => state),
        );
    }

    private watch(device: string, lamps: readonly Lamp[], states: readonly string[] = []): void {
        this.stopWatching();
        const address = (this.root.dataset.state ?? "").replace("{device}", encodeURIComponent(device));
        this.stopWatching = watchLamps(this.root, address, lamps, states);
    }
}
