// An application that knows no OpenID: it believes the headers that nginx sets, and has cookies of its own.

import { createServer } from "node:http";

createServer((request, response) => {
    const { headers, url, method } = request;
    const title = `The wiki knows ${headers["remote-user"]}`;
    if (request.headers.accept?.includes("text/html")) {
        response.setHeader("set-cookie", [
            "wiki_session=theirs; Path=/wiki/; HttpOnly",
            "wiki_theme=dark; Path=/wiki/",
        ]);
        response.setHeader("content-type", "text/html; charset=utf-8");
        response.end(
            `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>${title}</title><h1>${title}</h1>`,
        );
        return;
    }
    response.writeHead(url === "/wiki/forbidden" ? 403 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify({ headers, url, method }));
}).listen(3000, "127.0.0.1");
