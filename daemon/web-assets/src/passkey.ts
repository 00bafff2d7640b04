// A form whose answer a passkey gives: the server says what to ask for, the browser asks an authenticator, and the form is
// sent with what it said. Nothing here knows what is signed.

import { textOf } from "./texts";

/** Why there is no answer, as the page's texts are named. */
type Failure = "failed" | "cancelled" | "known" | "old";

/** What the server says that it is not well with, in the reader's language. */
class Refused extends Error {}

/** A form with `data-begin`, where to ask what to ask for, and `data-kind`: `create` or `get`. */
export function startPasskey(element: HTMLElement): void {
    if (!(element instanceof HTMLFormElement)) return;
    const [credential, button] = [element.elements.namedItem("credential"), element.querySelector("button")];
    if (!(credential instanceof HTMLInputElement) || button === null) return;
    const label = button.textContent;
    element.addEventListener("submit", async (event) => {
        event.preventDefault();
        complain(element, "");
        button.toggleAttribute("disabled", true);
        button.textContent = textOf(element, "working");
        try {
            credential.value = JSON.stringify(await ask(element));
            element.submit();
        } catch (error) {
            complain(element, error instanceof Refused ? error.message : textOf(element, failureOf(error)));
            button.toggleAttribute("disabled", false);
            button.textContent = label;
        }
    });
    // Who comes back with the browser's button finds the form as it was.
    addEventListener("pageshow", () => {
        credential.value = "";
        button.toggleAttribute("disabled", false);
        button.textContent = label;
    });
}

async function ask(form: HTMLFormElement): Promise<unknown> {
    const { kind, begin } = form.dataset;
    if (typeof PublicKeyCredential !== "function" || !("parseCreationOptionsFromJSON" in PublicKeyCredential)) {
        throw new DOMException("", "NotSupportedError");
    }
    const body = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    const answer = await fetch(begin ?? "", { method: "POST", headers: { accept: "application/json" }, body });
    const said = await answer.json();
    if (!answer.ok) throw new Refused(typeof said.error === "string" ? said.error : textOf(form, "failed"));
    const made =
        kind === "create"
            ? await navigator.credentials.create({
                  publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(said.publicKey),
              })
            : await navigator.credentials.get({
                  publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(said.publicKey),
              });
    if (!(made instanceof PublicKeyCredential)) throw new DOMException("", "NotAllowedError");
    return made.toJSON();
}

function failureOf(error: unknown): Failure {
    if (!(error instanceof DOMException)) return "failed";
    if (error.name === "NotAllowedError" || error.name === "AbortError") return "cancelled";
    if (error.name === "InvalidStateError") return "known";
    return error.name === "NotSupportedError" ? "old" : "failed";
}

function complain(form: HTMLFormElement, text: string): void {
    const element = form.querySelector<HTMLElement>(".error[role=alert]");
    if (element === null) return;
    element.textContent = text;
    element.hidden = text === "";
}
