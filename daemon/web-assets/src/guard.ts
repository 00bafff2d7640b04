// A warning before somebody leaves the page with a key that is saved nowhere: it exists only here.

const unsaved = new Set<string>();

/** From now on something is only here. */
export function mustSave(what: string): void {
    if (unsaved.size === 0) addEventListener("beforeunload", warn);
    unsaved.add(what);
}

/** It is somewhere else, too. */
export function isSaved(what: string): void {
    if (unsaved.delete(what) && unsaved.size === 0) removeEventListener("beforeunload", warn);
}

/** Whether something is only here. */
export function hasUnsaved(): boolean {
    return unsaved.size > 0;
}

function warn(event: BeforeUnloadEvent): void {
    event.preventDefault();
    // What older browsers want instead.
    event.returnValue = true;
}
