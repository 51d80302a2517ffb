// Serves the checkout's files to this machine, for the gallery and its tests:
// `node packages/sync-elements/gallery/serve.mjs`.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

const TOP = new URL("../../../", import.meta.url);
const TYPES = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
};

/** Serves until `close` is called; says where the gallery is. */
export async function serve(port = 0) {
  const server = createServer(async (request, response) => {
    // The path is resolved against a host first, so that it cannot lead out of the folder.
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    const path = fileURLToPath(new URL(`.${pathname}`, TOP));
    const known = await stat(path).catch(() => null);
    if (known === null || !known.isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" });
    createReadStream(path).pipe(response);
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const gallery = "packages/sync-elements/gallery/index.html";
  return {
    address: `http://127.0.0.1:${server.address().port}/${gallery}`,
    close: () => server.close(),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log((await serve(8790)).address);
