// WireGuard files. The server writes them with a placeholder; the private key takes its place here, on the device.

/** A location's file, as the server hands it out. */
export interface Place {
    readonly location: string;
    /** With the ending `.conf`. */
    readonly file_name: string;
    readonly config: string;
    readonly state: string;
}

/** The file with the key in the placeholder's place, which it holds exactly once. */
export function withKey(config: string, placeholder: string, privateKey: string): string {
    const parts = config.split(placeholder);
    if (placeholder === "" || parts.length !== 2) throw new Error("the configuration has no single place for the key");
    return parts.join(privateKey);
}
