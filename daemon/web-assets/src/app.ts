// Gives life to the elements that ask for it with `data-module`. Every page is right without.

import { newKeyPair } from "./keys";

type Start = (element: HTMLElement) => void;

const modules: Record<string, Start> = { device: () => void newKeyPair() };

for (const element of document.querySelectorAll<HTMLElement>("[data-module]")) {
    for (const name of (element.dataset.module ?? "").split(" ")) modules[name]?.(element);
}
