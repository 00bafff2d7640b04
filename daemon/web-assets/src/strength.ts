// How long a password would hold, estimated here and nowhere else. It advises only; this part of the script is large, and
// loaded when somebody begins to type.

import { ZxcvbnFactory } from "@zxcvbn-ts/core";
import { adjacencyGraphs, dictionary } from "@zxcvbn-ts/language-common";

/** More than anybody types, and quick to look at. */
const MOST_CHARS = 100;
const estimator = new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs, maxLength: MOST_CHARS });

/** From 0, guessed at once, to 4. `known` is what everybody knows of the person. */
export function strengthOf(password: string, known: readonly string[]): number {
    return estimator.check(password, [...known]).score;
}
