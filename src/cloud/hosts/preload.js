// Leads every connection of Node that would leave this machine to the front of the loopback cloud, which answers for
// the hosts that it knows and refuses and records all others. Node follows no proxy settings by itself.
'use strict';
const net = require('net');

const [address, port] = (process.env.SHAKEDOWN_FRONT || '').split(':');
const isOwn = (host) =>
  !host || host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127\./.test(host);

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...given) {
  // Node itself hands its arguments on as one array: options, and who is told of the end.
  const first = Array.isArray(given[0]) ? given[0][0] : given[0];
  const options =
    first && typeof first === 'object' ? first : { port: first, host: typeof given[1] === 'string' ? given[1] : undefined };
  if (!address || options.path || isOwn(options.host)) return connect.apply(this, given);
  const all = Array.isArray(given[0]) ? given[0] : given;
  const told = all.find((it) => typeof it === 'function');
  const led = { ...options, host: address, port: Number(port), lookup: undefined };
  return told ? connect.call(this, led, told) : connect.call(this, led);
};
