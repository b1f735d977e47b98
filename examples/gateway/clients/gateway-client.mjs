// A client of the gateway without dependencies, for Node 20, Deno and Bun. The contract is docs/gateway-clients.md.

/**
 * @typedef {Record<string, string | number | boolean>} Context
 * `version` is MODEL@VERSION, `url` where payloads go, `protocol` gateway or json (oip-v2 needs a client with tensors);
 * `stale` says that the gateway could not be asked again.
 * @typedef {{objective: string, version: string, revision: number, url: string, protocol: string, routingKey: string,
 *   since: number, configuration: object, stale: boolean}} Decision
 * @typedef {{decision: Decision, freshUntil: number, expiresAt: number, retryAt: number}} Entry
 * @typedef {{fields: string[], declared: Set<string>, since: number, updatedAt: number,
 *   entries: Map<string, Entry>}} Cached
 */

const WATCH_SECONDS = 30;
const RETRY_MS = 1000;

/** A refusal (4xx) or a failure (5xx); `status` is 0 when there was no answer. */
export class GatewayError extends Error {
  /** @param {number} status @param {string} message @param {string} code */
  constructor(status, message, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class GatewayClient {
  /** @type {Map<string, Cached>} */ #cache = new Map();
  /** @type {AbortController | null} */ #watch = null;
  #watched = "";
  #closed = false;
  revision = 0;

  /** `token` is of the serve audience. @param {string} url @param {string} token
   * @param {{maxAgeMs?: number, maxEntries?: number, now?: () => number}} options */
  constructor(url, token, { maxAgeMs = 60_000, maxEntries = 10_000, now = () => performance.now() } = {}) {
    this.url = url.replace(/\/+$/, "");
    this.token = token;
    this.maxAgeMs = maxAgeMs;
    this.maxEntries = maxEntries;
    this.now = now; // monotonic: a jump of the wall clock changes nothing
  }

  close() {
    this.#closed = true;
    this.#watch?.abort();
  }

  /** The decision for a context. @param {string} objective @param {Context} context @returns {Promise<Decision>} */
  async resolve(objective, context = {}) {
    const entry = this.#find(objective, context);
    const now = this.now();
    const isCurrent = entry?.decision.since === this.#cache.get(objective)?.since;
    if (entry && ((isCurrent && now < entry.freshUntil) || now < entry.retryAt)) return entry.decision;
    try {
      return await this.#ask(objective, context);
    } catch (error) {
      const status = error instanceof GatewayError ? error.status : 0;
      if (!entry || (status >= 400 && status < 500 && status !== 429) || this.now() >= entry.expiresAt) throw error;
      entry.decision = { ...entry.decision, stale: true };
      entry.freshUntil = 0;
      entry.retryAt = Math.min(this.now() + RETRY_MS, entry.expiresAt);
      return entry.decision;
    }
  }

  /** Sends the payload once. @param {string} objective @param {unknown} input @param {Context} context */
  async serve(objective, input, context = {}) {
    let decision = await this.resolve(objective, context);
    let answer = await this.#send(decision, input, context);
    const isProblem = (answer.headers.get("content-type") ?? "").startsWith("application/problem+json");
    if ([401, 403, 404].includes(answer.status) && isProblem) {
      // Refused before anything was run: the key or its cell is not good any more.
      const renewed = await this.#ask(objective, context);
      if (renewed.routingKey !== decision.routingKey || renewed.url !== decision.url) {
        decision = renewed;
        answer = await this.#send(decision, input, context);
      }
    }
    const content = await this.#content(answer);
    if (decision.protocol !== "gateway") return { output: content, decision };
    const { model, version, revision } = content.decision; // that which served, which may be newer
    return { output: content.output, decision: { ...decision, version: `${model}@${version}`, revision } };
  }

  /** @param {string} objective @param {Context} context */
  #find(objective, context) {
    const cached = this.#cache.get(objective);
    return cached?.entries.get(this.#key(cached, context) ?? "");
  }

  /** The values that decide; undefined for what the gateway refuses. @param {Cached} cached @param {Context} context */
  #key(cached, context) {
    for (const name in context) if (!cached.declared.has(name)) return undefined;
    return JSON.stringify(cached.fields.map((name) => context[name] ?? null));
  }

  /** @param {string} objective @param {Context} context @returns {Promise<Decision>} */
  async #ask(objective, context) {
    const askedAt = this.now();
    const path = `/v1/objectives/${encodeURIComponent(objective)}/resolve`;
    const answer = await this.#post(this.url + path, this.#bearer(), JSON.stringify({ context }));
    const body = await this.#content(answer);
    const { decision: decided, destination } = body;
    const decision = {
      objective: decided.objective, version: `${decided.model}@${decided.version}`, revision: decided.revision,
      url: destination.url.startsWith("/") ? this.url + destination.url : destination.url,
      protocol: destination.protocol, routingKey: body.routing_key ?? "", since: body.since,
      configuration: body.objective, stale: false,
    };
    this.revision = Math.max(this.revision, decision.revision);
    if (decision.objective !== objective || !body.expires_in) return decision;
    let cached = this.#cache.get(objective);
    const current = !cached || askedAt >= cached.updatedAt; // else the answer may be older than the last report
    const declared = new Set((body.objective.context ?? []).map((/** @type {{name: string}} */ field) => field.name));
    const shape = JSON.stringify([body.fields, [...declared]]);
    if (!cached || JSON.stringify([cached.fields, [...cached.declared]]) !== shape) {
      if (!current) return decision;
      cached = { fields: body.fields, declared, since: decision.since, updatedAt: -Infinity, entries: new Map() };
      this.#cache.set(objective, cached);
    }
    if (current) cached.since = decision.since;
    const key = this.#key(cached, context);
    if (key !== undefined) {
      const expiresAt = askedAt + body.expires_in * 1000;
      cached.entries.delete(key);
      if (cached.entries.size >= this.maxEntries) cached.entries.delete(cached.entries.keys().next().value ?? "");
      const freshUntil = Math.min(askedAt + this.maxAgeMs, expiresAt);
      cached.entries.set(key, { decision, freshUntil, expiresAt, retryAt: 0 });
    }
    this.#startWatch();
    return decision;
  }

  #startWatch() {
    const objectives = [...this.#cache.keys()].join(",");
    if (objectives === this.#watched || this.#closed) return;
    this.#watch?.abort();
    this.#watched = objectives;
    this.#watch = new AbortController();
    void this.#watchRouting(objectives, this.#watch.signal);
  }

  /** @param {string} objectives @param {AbortSignal} signal */
  async #watchRouting(objectives, signal) {
    const query = new URLSearchParams({ objectives, wait: String(WATCH_SECONDS) });
    let etag = "";
    while (!signal.aborted) {
      const startedAt = this.now();
      try {
        const headers = { ...this.#bearer(), ...(etag && { "If-None-Match": etag }) };
        const answer = await fetch(`${this.url}/v1/routing?${query}`, { headers, signal });
        if (answer.status === 200) {
          const body = await answer.json();
          for (const [name, since] of Object.entries(body.objectives)) {
            const cached = this.#cache.get(name);
            if (cached) Object.assign(cached, { since, updatedAt: this.now() });
          }
          this.revision = Math.max(this.revision, body.revision);
          etag = answer.headers.get("etag") ?? "";
          continue;
        }
        await answer.arrayBuffer(); // so that its connection is used again
        if (answer.status === 304 && this.now() - startedAt > RETRY_MS) continue;
      } catch { /* the gateway is gone: asked again after a pause */ }
      if (!signal.aborted) await new Promise((done) => setTimeout(done, RETRY_MS).unref?.());
    }
  }

  /** @param {Decision} decision @param {unknown} input @param {Context} context */
  #send(decision, input, context) {
    const key = { "X-Routing-Key": decision.routingKey };
    if (decision.protocol === "gateway")
      return this.#post(decision.url, { ...key, ...this.#bearer() }, JSON.stringify({ input, context }));
    // A model server must not see the token. A header is ASCII.
    const escape = (/** @type {string} */ c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0");
    const ascii = JSON.stringify(context).replace(/[\u007f-\uffff]/g, escape);
    return this.#post(decision.url, { ...key, "Nlapi-Context": ascii }, JSON.stringify(input));
  }

  #bearer = () => ({ Authorization: `Bearer ${this.token}` });

  /** @param {string} url @param {Record<string, string>} headers @param {string} body */
  #post(url, headers, body) {
    const all = { "Content-Type": "application/json", ...headers };
    return fetch(url, { method: "POST", headers: all, body }).catch(() => {
      throw new GatewayError(0, `${new URL(url).origin} gave no answer`);
    });
  }

  /** @param {Response} answer @returns {Promise<any>} */
  async #content(answer) {
    const content = await answer.json().catch(() => ({}));
    if (answer.ok) return content;
    const message = content.detail ?? `the answer is a ${answer.status}`;
    throw new GatewayError(answer.status, message, content.type?.split(":").pop());
  }
}
