// Asking the server again and again, at a pace that suits it.

/** How long to wait for the next question. */
export interface Pace {
    /** After an answer that brought something new. */
    fresh(): number;
    /** After the same answer again. */
    same(): number;
    /** After none; `retryAfter` is what the server asked for. */
    failed(retryAfter: string | null): number;
}

const QUICK_MS = 2000;
const SLOW_MS = 5000;
/** This many times nothing new, and there is time. */
const QUICK_TIMES = 60;
const LONGEST_MS = 30_000;

/** Every two seconds, later every five; each failure doubles the wait. */
export function newPace(): Pace {
    let same = 0;
    let failed = 0;
    return {
        fresh(): number {
            same = 0;
            failed = 0;
            return QUICK_MS;
        },
        same(): number {
            same += 1;
            failed = 0;
            return same < QUICK_TIMES ? QUICK_MS : SLOW_MS;
        },
        failed(retryAfter: string | null): number {
            failed += 1;
            const asked = Number(retryAfter ?? 0) * 1000;
            return Math.max(Number.isFinite(asked) ? asked : 0, Math.min(LONGEST_MS, QUICK_MS * 2 ** failed));
        },
    };
}
