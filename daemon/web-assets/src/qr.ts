// QR codes that a phone's camera can read off a screen.

import { type Bitmap2D, correction, generate, mode } from "lean-qr";
import { toSvg } from "lean-qr/extras/svg";

/** What is tried, best first: dense codes only where nothing else fits, and none that a camera would not resolve. */
const ATTEMPTS = [
    { minCorrectionLevel: correction.M, maxVersion: 15 },
    { minCorrectionLevel: correction.L, maxVersion: 25 },
];

/** The code for a text; `null` when it is too long for a screen. */
export function codeOf(text: string): Bitmap2D | null {
    for (const attempt of ATTEMPTS) {
        try {
            return generate(text, { ...attempt, modes: [mode.ascii, mode.utf8] });
        } catch {
            // Too long for this one.
        }
    }
    return null;
}

/** A picture of the code: dark on light with a wide margin, whatever the page's colours are. */
export function pictureOf(code: Bitmap2D, label: string): SVGElement {
    const picture = toSvg(code, document, { on: "#000", off: "#fff", pad: 4 });
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", label);
    return picture;
}
