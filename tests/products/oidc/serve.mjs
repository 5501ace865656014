// oidc-provider on 127.0.0.1 for client credentials with short-lived tokens, and beside it a
// resource that takes only requests whose token the provider finds active.
//
// Usage: serve.mjs MODULES PORT RESOURCE_PORT CLIENT SECRET LIFETIME_S
//
// The resource speaks as much of AvaTax as it takes to record documents: it has none, and takes
// every new one, counted by its code. Its /control tells {issued, refused_clients, refused, tokens,
// taken}; POST there of /revoke lets the token of the next request be revoked by the provider before
// it is looked at, /down and /up stop the provider and start it again.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, port, resourcePort, client, secret, lifetime] = process.argv.slice(2);
const require = createRequire(`${modules}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const issuer = `http://127.0.0.1:${port}`;
const resource = `http://127.0.0.1:${resourcePort}`;
const counted = { issued: 0, refused_clients: 0, refused: 0 };
const given = new Set();
const taken = {};
let revokesNext = false;

const provider = new Provider(issuer, {
  clients: [{
    client_id: client,
    client_secret: secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  }],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  scopes: ['orders'],
  ttl: { ClientCredentials: Number(lifetime) },
});
provider.on('client_credentials.saved', () => { counted.issued += 1; });
provider.on('grant.error', () => { counted.refused_clients += 1; });

/** The provider's own word, by RFC 7662 and RFC 7009. */
async function ask(path, token) {
  const answer = await fetch(`${issuer}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ token }),
  });
  const text = await answer.text();
  return text ? JSON.parse(text) : {};
}

async function active(token) {
  return token !== undefined && (await ask('/token/introspection', token)).active;
}

async function control(path) {
  if (path === '/control/revoke') {
    revokesNext = true;
  } else if (path === '/control/down') {
    await new Promise((closed) => {
      listening.close(closed);
      listening.closeAllConnections();
    });
  } else if (path === '/control/up') {
    await new Promise((open) => { listening = provider.listen(Number(port), '127.0.0.1', open); });
  }
  return { ...counted, tokens: [...given], taken };
}

async function serve(request, body, say) {
  if (request.url.startsWith('/control')) {
    return say(200, await control(request.url));
  }
  const sent = request.headers.authorization;
  const token = /^Bearer (.+)$/.exec(sent ?? '')?.[1];
  if (token && revokesNext) {
    revokesNext = false;
    await ask('/token/revocation', token);
  }
  if (!await active(token)) {
    counted.refused += 1;
    const error = { code: 'AuthenticationException', message: 'Authentication failed.' };
    return say(401, { error }, { 'www-authenticate': 'Bearer error="invalid_token"' });
  }
  given.add(token);
  if (request.method === 'GET') {
    return say(404, { error: { code: 'EntityNotFoundError', message: 'Document not found.' } });
  }
  const { code, type, date } = JSON.parse(body);
  taken[code] = (taken[code] ?? 0) + 1;
  // It shows what it was sent, as a careless system would.
  return say(201, {
    id: 1, code, type, date, status: 'Saved', totalAmount: 0, totalTax: 0, lines: [],
    referenceCode: sent,
  });
}

const server = createServer((request, response) => {
  const say = (status, body, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
  let body = '';
  request.on('data', (part) => { body += part; });
  // The token is looked at when the whole body is there.
  request.on('end', () => {
    serve(request, body, say).catch(() => say(503, {}, { 'retry-after': '1' }));
  });
});

let listening = provider.listen(Number(port), '127.0.0.1');
server.listen(Number(resourcePort), '127.0.0.1');
