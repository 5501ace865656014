// InvenTree's description, reduced to what connector and sandbox use: prism starts in half the time.
// Written twice: as published, for the mock, with a number where prism would answer the least that
// there is; and closed, for the proxy, where a field that the
// description does not name is a violation, in requests and in answers.
//
// Usage: node reduce.js DESCRIPTION.yaml FOLDER, where prism's node_modules are in this folder;
// writes open.json and closed.json.

const { readFileSync, writeFileSync } = require("node:fs");
const { parse } = require(require.resolve("yaml", { paths: [process.cwd()] }));

const USED = [
  /^\/api\/(company|company\/address|part|stock|stock\/location)\/({id}\/)?$/,
  /^\/api\/order\/(so|so-line|so-extra-line|so-allocation|so\/shipment|ro|ro-line)\/({id}\/)?$/,
  /^\/api\/order\/so\/{id}\/(allocate|cancel|complete|hold|issue)\/$/,
  /^\/api\/order\/so\/shipment\/{id}\/ship\/$/,
  /^\/api\/order\/ro\/{id}\/(cancel|complete|hold|issue|receive)\/$/,
];

// What InvenTree itself answers against its description: the keys of what a row lies in or came
// from are null where there is none.
const NULL_TOO = { StockItem: ["parent"], SalesOrderAllocation: ["location"] };

const [, , published, folder] = process.argv;
const whole = parse(readFileSync(published, "utf8"));
const schemas = {};
const paths = {};
for (const [path, methods] of Object.entries(whole.paths)) {
  if (USED.some((used) => used.test(path))) paths[path] = plain(methods);
}
write("open.json", exampled(schemas));
write("closed.json", Object.fromEntries(Object.entries(schemas).map(closed)));

function write(name, schemas) {
  const { securitySchemes } = whole.components;
  const reduced = { ...whole, paths, components: { schemas, securitySchemes } };
  writeFileSync(`${folder}/${name}`, JSON.stringify(reduced));
}

/// A copy without prose and without forms; takes along the schemas that it refers to.
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  const copy = {};
  for (const [name, part] of Object.entries(value)) {
    const form = name === "multipart/form-data" || name === "application/x-www-form-urlencoded";
    const prose = name === "description" && typeof part === "string" && part.length > 300;
    // An empty text is no address: InvenTree answers "" where there is no link or e-mail.
    const address = name === "format" && (part === "uri" || part === "email");
    if (!form && !prose && !address) copy[name] = plain(part);
  }
  const schema = typeof value.$ref === "string" && value.$ref.split("/").pop();
  if (schema && !(schema in schemas)) {
    schemas[schema] = {};
    schemas[schema] = plain(whole.components.schemas[schema]);
    for (const field of NULL_TOO[schema] ?? []) schemas[schema].properties[field].nullable = true;
  }
  return copy;
}

function exampled(value) {
  if (Array.isArray(value)) return value.map(exampled);
  if (value === null || typeof value !== "object") return value;
  const copy = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, exampled(part)]));
  if (copy.type === "number" && copy.format === "double" && !("example" in copy)) copy.example = 1.5;
  return copy;
}

function closed([name, schema]) {
  const open = schema.type === "object" && schema.properties && !("additionalProperties" in schema);
  return [name, open ? { ...schema, additionalProperties: false } : schema];
}
