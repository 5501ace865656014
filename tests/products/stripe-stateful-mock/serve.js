// stripe-stateful-mock's own application on 127.0.0.1; its command line would bind all addresses.
// Usage: node serve.js FOLDER PORT, where FOLDER holds the node_modules. What it knows ends with it.

const [folder, port] = process.argv.slice(2);
const mock = require(`${folder}/node_modules/stripe-stateful-mock`);

mock.createExpressApp().listen(Number(port), "127.0.0.1");
