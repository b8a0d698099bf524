// Reads requests from standard input, one JSON list a line: the body that an agent sent
// and the one that was printed in its place. Writes what npm's graphql finds in each.
'use strict';
const { parse } = require(process.argv[2]);

// shape is a document without where and how it says it.
function shape(node) {
  if (Array.isArray(node)) return node.map(shape);
  if (node === null || typeof node !== 'object') return node;
  const out = {};
  for (const key of Object.keys(node).sort()) {
    if (!['loc', 'block', 'description'].includes(key) && node[key] !== undefined) out[key] = shape(node[key]);
  }
  return out;
}

function spreads(set, fragments, found) {
  for (const s of set?.selections ?? []) {
    if (s.kind === 'FragmentSpread' && !found.has(s.name.value)) {
      found.add(s.name.value);
      spreads(fragments.get(s.name.value)?.selectionSet, fragments, found);
    }
    spreads(s.selectionSet, fragments, found);
  }
  return found;
}

function roots(set, fragments, seen, names) {
  for (const s of set.selections) {
    if (s.kind === 'Field') names.add(s.name.value);
    else if (s.kind === 'InlineFragment') roots(s.selectionSet, fragments, seen, names);
    else if (!seen.has(s.name.value)) {
      seen.add(s.name.value);
      roots(fragments.get(s.name.value).selectionSet, fragments, seen, names);
    }
  }
  return names;
}

// read finds what would run, and what that needs.
function read(body) {
  const request = JSON.parse(body);
  const document = parse(request.query);
  const operations = document.definitions.filter((d) => d.kind === 'OperationDefinition');
  const fragments = new Map(document.definitions.filter((d) => d.kind === 'FragmentDefinition').map((d) => [d.name.value, d]));
  const chosen = request.operationName ? operations.filter((o) => o.name?.value === request.operationName) : operations;
  if (chosen.length !== 1) throw new Error('not one operation');
  const needed = spreads(chosen[0].selectionSet, fragments, new Set());
  return {
    keys: Object.keys(request),
    variables: request.variables ?? {},
    says: shape([chosen[0], ...[...fragments.values()].filter((f) => needed.has(f.name.value))]),
    definitions: document.definitions.length,
    names: [...roots(chosen[0].selectionSet, fragments, new Set(), new Set())].sort().map((n) => `graphql/${chosen[0].operation}.${n}`),
  };
}

function tried(body) {
  try {
    return read(body);
  } catch (e) {
    return { error: String(e.message) };
  }
}

require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const [given, sent] = JSON.parse(line).map(tried);
  const same = (key) => JSON.stringify(given[key]) === JSON.stringify(sent[key]);
  process.stdout.write(JSON.stringify({
    given: given.error ?? '', sent: sent.error ?? '', keys: sent.keys, definitions: sent.definitions, fragments: (sent.says?.length ?? 0) - 1,
    names: sent.names, alike: same('says') && same('variables'),
  }) + '\n');
});
