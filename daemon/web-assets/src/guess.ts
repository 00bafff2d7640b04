// Which kind of device this is, for a name that its owner recognises. What is found out stays here.

/** A kind of device. */
export type Kind = "phone" | "tablet" | "computer";

/** What a browser says of where it runs. */
export interface Hints {
    readonly userAgent: string;
    readonly maxTouchPoints: number;
}

/** The kind of device that a browser runs on. */
export function kindOf({ userAgent, maxTouchPoints }: Hints): Kind {
    if (/iPad|Tablet|PlayBook|Silk/i.test(userAgent)) return "tablet";
    if (/Android/i.test(userAgent)) return /Mobile/i.test(userAgent) ? "phone" : "tablet";
    if (/iPhone|iPod|Mobi/i.test(userAgent)) return "phone";
    // An iPad calls itself a Mac, but no Mac has a touch screen.
    return /Macintosh/.test(userAgent) && maxTouchPoints > 1 ? "tablet" : "computer";
}
