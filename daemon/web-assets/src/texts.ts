// The page's words. The server writes them into `data-text-…` attributes, in the reader's language.

/** The text `name` of an element; empty when the page has none. */
export function textOf(element: HTMLElement, name: string): string {
    return element.getAttribute(`data-text-${name}`) ?? "";
}

/** Tells those who listen to the page what others see; once more if it is the same. */
export function announce(text: string): void {
    let region = document.getElementById("announcements");
    if (region === null) {
        region = document.createElement("p");
        region.id = "announcements";
        region.className = "visually-hidden";
        region.setAttribute("role", "status");
        document.body.append(region);
    }
    region.textContent = "";
    // A region that appears or changes in one go stays unread.
    setTimeout(() => region.append(text), 100);
}
