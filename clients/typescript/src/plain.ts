/** Requests as plain objects: numbers for int64, Dates for instants, the fields of a oneof beside all others. */

import {
  create,
  type DescField,
  type DescMessage,
  isMessage,
  type Message,
  type MessageInitShape,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";

type Oneof = { case: string | undefined; value?: unknown };

type MemberOf<One> = One extends { case: infer Case extends string; value: infer Value }
  ? { [Name in Case]?: PlainValue<Value> }
  : never;

type Together<Union> = (Union extends unknown ? (one: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;

type PlainValue<Value> = Value extends bigint
  ? number | bigint
  : Value extends Timestamp
    ? Date | Timestamp
    : Value extends Message
      ? Plain<Value>
      : Value extends readonly (infer One)[]
        ? readonly PlainValue<One>[]
        : Value;

type OneofNames<Shape> = {
  [Name in keyof Shape]-?: [NonNullable<Shape[Name]>] extends [Oneof] ? Name : never;
}[keyof Shape];

/** What may be given for a message: every field may be left out. */
export type Plain<Shape extends Message> = {
  [Name in Exclude<keyof Shape, "$typeName" | "$unknown" | OneofNames<Shape>>]?: PlainValue<Shape[Name]> | undefined;
} & ([OneofNames<Shape>] extends [never] ? unknown : Together<MemberOf<Shape[OneofNames<Shape>]>>);

/** What may be given for a message of this kind. */
export type PlainOf<Desc extends DescMessage> = Plain<MessageShape<Desc>>;

/**
 * Return the message that a plain object stands for.
 *
 * @throws TypeError for a field that the message does not have: it would be left out silently.
 */
export function fromPlain<Desc extends DescMessage>(desc: Desc, plain: object): MessageShape<Desc> {
  if (isMessage(plain, desc)) {
    return plain;
  }
  const init: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(plain)) {
    if (value === undefined) {
      continue;
    }
    const field = desc.field[name];
    if (field === undefined) {
      throw new TypeError(`${desc.name} has no field ${name}`);
    }
    const converted = fieldValue(field, value);
    if (field.oneof === undefined) {
      init[name] = converted;
    } else {
      setMember(init, desc, field, converted);
    }
  }
  return create(desc, init as MessageInitShape<Desc>);
}

function setMember(init: Record<string, unknown>, desc: DescMessage, field: DescField, value: unknown): void {
  const { localName } = field.oneof ?? field;
  const other = init[localName] as Oneof | undefined;
  if (other !== undefined) {
    throw new TypeError(`${desc.name} takes one of ${other.case} and ${field.localName}, not both`);
  }
  init[localName] = { case: field.localName, value };
}

function fieldValue(field: DescField, value: unknown): unknown {
  if (field.fieldKind === "list" && Array.isArray(value)) {
    return value.map((one) => single(field, one));
  }
  return field.fieldKind === "map" ? value : single(field, value);
}

function single(field: DescField, value: unknown): unknown {
  if (field.message !== undefined && typeof value === "object" && value !== null) {
    return inner(field.message, value);
  }
  return typeof value === "number" && is64Bit(field) ? BigInt(value) : value;
}

function inner(desc: DescMessage, value: object): unknown {
  if (desc.typeName === TimestampSchema.typeName && value instanceof Date) {
    return timestampFromMs(value.getTime());
  }
  // A Struct is plain JSON already.
  return desc.typeName === "google.protobuf.Struct" ? value : fromPlain(desc, value);
}

const WIDE: ReadonlySet<ScalarType | undefined> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.SINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
]);

function is64Bit(field: DescField): boolean {
  return WIDE.has(field.scalar);
}
