// A new password: shown or hidden, and how strong it is. What refuses is the server's rule alone.

import { textOf } from "./texts";

/** The server's rule. */
const LEAST_CHARS = 8;

/** A password field with `data-strength-target` and `data-show-button`, the ids of what belongs to it. */
export function startPassword(element: HTMLElement): void {
    if (!(element instanceof HTMLInputElement)) return;
    const target = document.getElementById(element.dataset.strengthTarget ?? "");
    if (target !== null) advise(element, target);
    const button = document.getElementById(element.dataset.showButton ?? "");
    if (button !== null) showAndHide(element, button);
}

function advise(field: HTMLInputElement, target: HTMLElement): void {
    const known = [...(field.form?.querySelectorAll<HTMLInputElement>("input[name=username]") ?? [])]
        .flatMap(({ value }) => [value, ...value.split(/[._-]/)])
        .concat(location.hostname.split("."))
        .filter((word) => word.length > 2);
    const look = async (): Promise<void> => {
        const typed = field.value;
        const { strengthOf } = await import("./strength");
        // More may have been typed while it was loaded.
        if (field.value !== typed) return;
        if (typed === "") {
            delete target.dataset.score;
            target.textContent = "";
            return;
        }
        const score = typed.length < LEAST_CHARS ? 0 : strengthOf(typed, known);
        target.dataset.score = String(score);
        const text = textOf(field, String(score));
        if (target.textContent !== text) target.textContent = text;
    };
    field.addEventListener("focus", () => void import("./strength"), { once: true });
    field.addEventListener("input", () => void look());
    // A browser may have filled it in already.
    if (field.value !== "") void look();
}

function showAndHide(field: HTMLInputElement, button: HTMLElement): void {
    const set = (shown: boolean): void => {
        field.type = shown ? "text" : "password";
        button.textContent = textOf(button, shown ? "hide" : "show");
    };
    button.addEventListener("click", () => set(field.type === "password"));
    // Password managers save what a password field holds; browsers remember what a text field does.
    field.form?.addEventListener("submit", () => set(false));
}
