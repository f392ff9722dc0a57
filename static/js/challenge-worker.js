// Finds the nonce that a log-in challenge asks for: sha256(salt + nonce) starts with `difficulty` zero bits.
// With its own SHA-256, since over plain http a browser offers none, and asking it per try would be slower.

const START = new Uint32Array(8);
const ROUNDS = new Uint32Array(64);

/** The standard's constants: fractions of the roots of the first primes. */
function prepare() {
  const fraction = (root) => (root - Math.floor(root)) * 2 ** 32;
  const primes = [];
  for (let number = 2; primes.length < 64; number += 1)
    if (primes.every((prime) => number % prime)) primes.push(number);
  primes.forEach((prime, index) => {
    ROUNDS[index] = fraction(Math.cbrt(prime));
    if (index < 8) START[index] = fraction(Math.sqrt(prime));
  });
}

const words = new Int32Array(64);
const turn = (word, by) => (word >>> by) | (word << (32 - by));

function compress(state, bytes, from) {
  for (let i = 0; i < 16; i += 1) {
    const at = from + i * 4;
    words[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let i = 16; i < 64; i += 1) {
    const low = turn(words[i - 15], 7) ^ turn(words[i - 15], 18) ^ (words[i - 15] >>> 3);
    const high = turn(words[i - 2], 17) ^ turn(words[i - 2], 19) ^ (words[i - 2] >>> 10);
    words[i] = words[i - 16] + low + words[i - 7] + high;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i += 1) {
    const first = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
    const second = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((word, index) => {
    state[index] += word;
  });
}

function solve({ salt, difficulty }) {
  const prefix = [...salt].map((letter) => letter.charCodeAt(0));
  const whole = prefix.length - (prefix.length % 64);
  const middle = START.slice();
  for (let at = 0; at < whole; at += 64) compress(middle, prefix, at);
  const rest = prefix.slice(whole);
  const tail = new Uint8Array(128);
  const state = new Uint32Array(8);
  for (let number = 0; ; number += 1) {
    const nonce = String(number);
    const length = rest.length + nonce.length;
    const size = length < 56 ? 64 : 128;
    tail.fill(0);
    tail.set(rest);
    for (let i = 0; i < nonce.length; i += 1) tail[rest.length + i] = nonce.charCodeAt(i);
    tail[length] = 128;
    const bits = (whole + length) * 8;
    tail[size - 2] = bits >>> 8;
    tail[size - 1] = bits;
    state.set(middle);
    compress(state, tail, 0);
    if (size > 64) compress(state, tail, 64);
    if (Math.clz32(state[0]) >= difficulty) return nonce;
  }
}

prepare();
self.addEventListener('message', ({ data }) => self.postMessage(solve(data)));
