// Buttons that copy. Plain http has no clipboard API; there the old way is taken.

import { announce, textOf } from "./texts";

/** How long a button says that it did. */
const SAYS_SO_MS = 2000;

/** A button with `data-copy-target`, the id of what it copies: a field or a text. */
export function startCopy(button: HTMLElement): void {
    button.addEventListener("click", async () => {
        const target = document.getElementById(button.dataset.copyTarget ?? "");
        if (target === null) return;
        const text = target instanceof HTMLInputElement ? target.value : (target.textContent ?? "");
        if (await copy(text)) confirmCopied(button);
    });
}

/** Whether the text is in the clipboard. */
export async function copy(text: string): Promise<boolean> {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        return copyBySelection(text);
    }
}

/** Lets a button say for a moment that it has copied. */
export function confirmCopied(button: HTMLElement): void {
    const copied = textOf(button, "copied");
    if (copied === "" || button.dataset.label !== undefined) return;
    const label = button.textContent ?? "";
    button.dataset.label = label;
    button.textContent = copied;
    announce(copied);
    setTimeout(() => {
        button.textContent = label;
        delete button.dataset.label;
    }, SAYS_SO_MS);
}

function copyBySelection(text: string): boolean {
    const before = document.activeElement;
    const field = document.createElement("textarea");
    field.value = text;
    field.readOnly = true;
    field.className = "visually-hidden";
    document.body.append(field);
    field.select();
    try {
        return document.execCommand("copy");
    } finally {
        field.remove();
        if (before instanceof HTMLElement) before.focus();
    }
}
