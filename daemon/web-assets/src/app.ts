// Gives life to the elements that ask for it with `data-module`. Every page is right without.

import { startCopy } from "./copy";
import { startCountdown } from "./countdown";
import { startDevice } from "./device";
import { startPassword } from "./password";
import { startPrint, startScan } from "./scan";

const modules = new Map<string, (element: HTMLElement) => void>([
    ["copy", startCopy],
    ["countdown", startCountdown],
    ["device", startDevice],
    ["password", startPassword],
    ["print", startPrint],
    ["qr", startScan],
]);

document.documentElement.classList.add("js");
for (const element of document.querySelectorAll<HTMLElement>("[data-module]")) {
    modules.get(element.dataset.module ?? "")?.(element);
}
