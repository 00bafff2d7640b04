// What somebody sees of one location: its file to download, to copy and to scan, and a lamp.

import type { Place } from "./config";
import { confirmCopied, copy } from "./copy";
import { codeOf, pictureOf } from "./qr";
import { textOf } from "./texts";

/** A location's part of the page. */
export interface PlaceView {
    readonly section: Node;
    readonly lamp: HTMLElement;
}

/** A location's part of the page. `saved` is called when the file has gone somewhere. */
export function placeView(root: HTMLElement, place: Place, config: string, saved: () => void): PlaceView {
    const template = document.getElementById("device-place-template");
    if (!(template instanceof HTMLTemplateElement)) throw new Error("the page has no template for a location");
    const section = document.importNode(template.content, true);
    const slot = (name: string): HTMLElement => {
        const element = section.querySelector<HTMLElement>(`[data-slot="${name}"]`);
        if (element === null) throw new Error(`the template for a location has no slot ${name}`);
        return element;
    };
    slot("location").textContent = place.location;
    slot("config").textContent = config;
    slot("qr").replaceChildren(scannable(root, place, config));
    const downloads = slot("download");
    downloads.setAttribute("href", `#${place.file_name}`);
    downloads.addEventListener("click", (event) => {
        event.preventDefault();
        // As text, some phones would give it another ending.
        save(place.file_name, new Blob([config], { type: "application/octet-stream" }));
        saved();
    });
    const copies = slot("copy");
    copies.addEventListener("click", async () => {
        if (!(await copy(config))) return;
        confirmCopied(copies);
        saved();
    });
    return { section, lamp: slot("lamp") };
}

/** Hands a file to the browser's downloads. */
export function save(name: string, content: Blob): void {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(content);
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    // Some browsers begin to read it only later.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function scannable(root: HTMLElement, place: Place, config: string): Node {
    const code = codeOf(config);
    if (code !== null)
        return pictureOf(code, textOf(root, "qr").replace("{location}", place.location) || place.location);
    const sorry = document.createElement("p");
    sorry.className = "notice";
    sorry.textContent = textOf(root, "too-long");
    return sorry;
}
