// What an authenticator app scans, and the codes for who loses it on paper.

import { codeOf, pictureOf } from "./qr";
import { textOf } from "./texts";

/** An element with `data-qr`, the text of the picture that is put into it. */
export function startScan(element: HTMLElement): void {
    const code = codeOf(element.dataset.qr ?? "");
    if (code !== null) element.replaceChildren(pictureOf(code, textOf(element, "alt")));
}

/** A button that prints the page. */
export function startPrint(button: HTMLElement): void {
    button.addEventListener("click", () => globalThis.print());
}
