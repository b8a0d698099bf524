// For Node that reads no proxy variables by itself: fetch, https and http go through the proxy
// that HTTPS_PROXY and HTTP_PROXY name. Programs with an agent of their own do not.
"use strict";
const [major, minor] = process.versions.node.split(".").map(Number);
const reads = major > 24 || (major === 24 && minor >= 5) || (major === 22 && minor >= 21);
const named = process.env.HTTPS_PROXY || process.env.https_proxy || "";
if (!reads && named.startsWith("http://")) {
  const http = require("node:http"), https = require("node:https"), net = require("node:net"), tls = require("node:tls");
  const proxy = new URL(named);
  const headers = {};
  if (proxy.username) {
    const shown = decodeURIComponent(proxy.username) + ":" + decodeURIComponent(proxy.password);
    headers["Proxy-Authorization"] = "Basic " + Buffer.from(shown).toString("base64");
  }
  const at = { host: proxy.hostname.replace(/^\[|\]$/g, ""), port: Number(proxy.port) };
  const isLocal = (host) => ["localhost", "127.0.0.1", "::1", "[::1]"].includes(host);

  // tunnel opens one, and secures it.
  const tunnel = (options, done) => {
    const host = options.hostname || options.host, port = options.port || 443;
    const authority = (net.isIPv6(host) ? "[" + host + "]" : host) + ":" + port;
    http.request({ ...at, method: "CONNECT", path: authority, headers: { ...headers, Host: authority }, agent: false })
      .on("connect", (answer, socket) => {
        if (answer.statusCode !== 200) {
          socket.destroy();
          done(new Error("the proxy answered " + answer.statusCode + " to CONNECT " + authority));
          return;
        }
        const servername = options.servername || (net.isIP(host) ? "" : host);
        const secured = tls.connect({ ...options, socket, servername, path: undefined });
        secured.once("error", done);
        secured.once("secureConnect", () => { secured.removeListener("error", done); done(null, secured); });
      })
      .on("error", done)
      .end();
  };

  class Tunnels extends https.Agent {
    createConnection(options, done) {
      if (isLocal(options.host)) return super.createConnection(options, done);
      tunnel(options, done);
    }
  }
  https.globalAgent = new Tunnels({ keepAlive: true });

  class Forwards extends http.Agent {
    addRequest(request, options, ...rest) {
      if (isLocal(options.host) || options.socketPath) return super.addRequest(request, options, ...rest);
      const port = options.port && options.port !== 80 ? ":" + options.port : "";
      request.path = "http://" + options.host + port + request.path;
      for (const name of Object.keys(headers)) request.setHeader(name, headers[name]);
      return super.addRequest(request, { ...options, ...at }, ...rest);
    }
  }
  http.globalAgent = new Forwards({ keepAlive: true });

  void globalThis.Response; // Node loads what fetch is made of with it
  const dispatcher = Symbol.for("undici.globalDispatcher.1");
  if (globalThis[dispatcher]) {
    globalThis[dispatcher] = new globalThis[dispatcher].constructor({
      connect(options, done) {
        if (options.protocol === "https:" && !isLocal(options.hostname)) {
          tunnel({ hostname: options.hostname, port: options.port, servername: options.servername }, done);
          return;
        }
        const host = options.hostname.replace(/^\[|\]$/g, ""), port = options.port || (options.protocol === "https:" ? 443 : 80);
        const [socket, ready] = options.protocol === "https:"
          ? [tls.connect({ host, port, servername: options.servername }), "secureConnect"] : [net.connect(port, host), "connect"];
        socket.once("error", done).once(ready, () => { socket.removeListener("error", done); done(null, socket); });
      },
    });
  }
}
