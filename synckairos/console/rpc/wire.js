// @ts-check
// Reads the few Protobuf messages that errors carry as bytes: google.rpc.ErrorInfo, BadRequest and RetryInfo.

/** @typedef {Map<number, (Uint8Array | number)[]>} Fields */

/** The bytes of a base64 text, padded or not. @param {string} text */
export function bytesOf(text) {
  return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));
}

/** @param {Uint8Array} bytes @returns {Fields} every field's values by its number */
export function fieldsOf(bytes) {
  /** @type {Fields} */
  const fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; at < bytes.length; factor *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * factor;
      if (byte < 128) break;
    }
    return value;
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag & 7;
    const number = Math.floor(tag / 8);
    const values = fields.get(number) ?? [];
    fields.set(number, values);
    if (kind === 0) values.push(varint());
    else if (kind === 2) {
      const size = varint();
      values.push(bytes.subarray(at, at + size));
      at += size;
    } else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else break;
  }
  return fields;
}

/** @param {Fields} fields @param {number} number @returns {Uint8Array[]} */
export function messagesIn(fields, number) {
  return (fields.get(number) ?? []).filter((value) => value instanceof Uint8Array);
}

/** @param {Fields} fields @param {number} number */
export function textIn(fields, number) {
  const [value] = messagesIn(fields, number);
  return value ? new TextDecoder().decode(value) : "";
}

/** @param {Fields} fields @param {number} number */
export function numberIn(fields, number) {
  const [value] = fields.get(number) ?? [];
  return typeof value === "number" ? value : 0;
}
