// The minutes that are left, counted from what the server said, on a clock that nobody can set. Whoever comes back to
// the page asks the server again: a sleeping machine's clock stands still.

import { hasUnsaved } from "./guard";
import { announce, textOf } from "./texts";

/** From here on the page warns. */
const WARNS_BELOW_S = 120;

/**
 * An element with `data-seconds-left`, whose text is right for a browser without scripts, and `data-state`, where the
 * server tells how many seconds are left.
 */
export function startCountdown(element: HTMLElement): void {
    let endsAt = endFrom(Number(element.dataset.secondsLeft));
    let warned = false;
    let timer = 0;

    const show = (): void => {
        const left = Math.max(0, (endsAt - performance.now()) / 1000);
        const isLow = left <= WARNS_BELOW_S;
        const text = textOf(element, "left").replace("{time}", clock(left));
        element.textContent = isLow ? `${textOf(element, "warning")} ${text}`.trim() : text;
        element.classList.toggle("low", isLow);
        if (isLow && !warned) announce(textOf(element, "warning"));
        warned = isLow;
        if (left === 0) void end();
    };
    const ask = async (): Promise<number | null> => {
        const { state } = element.dataset;
        if (state === undefined) return null;
        const answer = await fetch(state, { headers: { accept: "application/json" } });
        if (answer.status === 401) return 0;
        return answer.ok ? Number((await answer.json()).seconds_left) : null;
    };
    const askAgain = async (): Promise<void> => {
        const left = await ask().catch(() => null);
        if (left === null) return;
        endsAt = endFrom(left);
        show();
    };
    const end = async (): Promise<void> => {
        clearInterval(timer);
        element.textContent = textOf(element, "over");
        announce(textOf(element, "over"));
        // A key that was not saved would be lost; what is registered works without a session. And where nothing is left
        // to be sent, what can be read may stay.
        const forms = [...document.querySelectorAll("main form")];
        if (hasUnsaved() || forms.every((form) => form.closest("[hidden]") !== null)) return;
        // To the page of expired sessions, by the address alone: a form that was sent is not sent again.
        location.replace(location.pathname + location.search);
    };

    timer = setInterval(show, 1000);
    show();
    document.addEventListener("visibilitychange", () => {
        if (!document.hidden) void askAgain();
    });
    addEventListener("pageshow", (event) => {
        if (event.persisted) void askAgain();
    });
}

/** Seconds as a clock shows them: `9:05`. */
export function clock(seconds: number): string {
    const whole = Math.ceil(seconds);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function endFrom(secondsLeft: number): number {
    return performance.now() + (Number.isFinite(secondsLeft) ? secondsLeft : 0) * 1000;
}
