// The lamps of the locations: the gateway does not have the device yet, waits for it, or has seen it.

import { newPace } from "./poll";
import { announce, textOf } from "./texts";

/** A lamp, and what is to be done when it says `connected`. */
export interface Lamp {
    readonly element: HTMLElement;
    connected(): void;
}

interface State {
    readonly places: readonly { readonly location: string; readonly state: string }[];
}

/**
 * Sets the lamps to `states`, and then to what the server says at `address`, until all are connected or the session is over. The
 * lamps are in the order of the server's locations. What is returned ends it.
 */
export function watchLamps(
    root: HTMLElement,
    address: string,
    lamps: readonly Lamp[],
    states: readonly string[],
): () => void {
    const watch = new Watch(root, address, lamps);
    watch.light(states);
    if (lamps.length > 0) watch.later(newPace().fresh());
    return () => watch.end();
}

class Watch {
    private readonly pace = newPace();
    private shown: readonly string[] = [];
    private timer = 0;
    private ended = false;

    constructor(
        private readonly root: HTMLElement,
        private readonly address: string,
        private readonly lamps: readonly Lamp[],
    ) {}

    light(states: readonly string[]): void {
        this.lamps.forEach(({ element, connected }, index) => {
            const state = states[index];
            if (state === undefined || state === this.shown[index]) return;
            for (const known of ["pending", "ready", "connected"]) element.classList.toggle(known, known === state);
            const text = textOf(this.root, state);
            if (element.textContent !== text) element.textContent = text;
            if (state !== "connected") return;
            connected();
            announce(text);
        });
        this.shown = states;
    }

    later(ms: number): void {
        if (!this.ended) this.timer = setTimeout(() => void this.look(), ms);
    }

    end(): void {
        this.ended = true;
        clearTimeout(this.timer);
    }

    private async look(): Promise<void> {
        // Nobody sees the lamps; it is looked again when somebody does.
        if (document.hidden) return this.later(this.pace.same());
        try {
            const answer = await fetch(this.address, { headers: { accept: "application/json" } });
            if (answer.status === 401) return this.end();
            if (!answer.ok) return this.later(this.pace.failed(answer.headers.get("retry-after")));
            const state: State = await answer.json();
            if (this.ended) return;
            this.take(state.places.map((place) => place.state));
        } catch {
            this.later(this.pace.failed(null));
        }
    }

    private take(states: readonly string[]): void {
        const isSame = states.join() === this.shown.join();
        this.light(states);
        const isDone = states.length > 0 && states.every((state) => state === "connected");
        if (!isDone) this.later(isSame ? this.pace.same() : this.pace.fresh());
    }
}
