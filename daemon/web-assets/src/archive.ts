// All files in one archive, which the WireGuard apps import as a whole.

import { downloadZip } from "client-zip";

/** A file to be saved. */
export interface NamedText {
    readonly name: string;
    readonly text: string;
}

/** A zip archive of the files. */
export async function archiveOf(files: readonly NamedText[], now: Date): Promise<Blob> {
    return downloadZip(files.map(({ name, text }) => ({ name, input: text, lastModified: now }))).blob();
}
