import assert from "node:assert/strict";
import { ConfigurationError } from "../../provider/lifecycle/errors";
import {
  fieldsFormat,
  parsePayload,
  payloadFormat,
  payloadText,
  renderFields,
  renderPayload,
} from "../../provider/lifecycle/payload";

const VALUE = {
  username: "orders_v7",
  password: 'p"a/ß$1 ${username}',
  host: "db.internal",
  port: "5432",
  database: "orders",
};

describe("what a reader of a secret gets", () => {
  it("is the fields of the value as they are, unless a format is given", () => {
    assert.deepEqual(renderPayload(VALUE), VALUE);
    assert.deepEqual(renderFields(VALUE, "fields"), VALUE);
  });

  it("is what readers of AWS's database secrets expect, with the format rds", () => {
    assert.deepEqual(JSON.parse(payloadText(renderPayload(VALUE, "rds"))), {
      engine: "postgres",
      host: "db.internal",
      port: "5432",
      username: "orders_v7",
      password: VALUE.password,
      dbname: "orders",
    });
  });

  it("is what Kubernetes expects of a Secret of its type, with the formats basic-auth and tls", () => {
    assert.deepEqual(renderFields(VALUE, "basic-auth"), { username: "orders_v7", password: VALUE.password });
    assert.deepEqual(renderFields({ chain: "CHAIN", key: "KEY" }, "tls"), { "tls.crt": "CHAIN", "tls.key": "KEY" });
  });

  it("follows a template, whose placeholders are filled once and encoded as asked", () => {
    const fields = {
      plain: "${password}",
      url: "postgresql://${username:uri}:${password:uri}@${host}/${database}",
      json: '{"p":"${password:json}"}',
      base64: "${password:base64}",
      none: "$ $5 $$ {username}",
    };
    const rendered = renderFields(VALUE, { fields });
    assert.equal(rendered["plain"], VALUE.password);
    assert.equal(new URL(rendered["url"] ?? "").password, encodeURIComponent(VALUE.password));
    assert.deepEqual(JSON.parse(rendered["json"] ?? ""), { p: VALUE.password });
    assert.equal(Buffer.from(rendered["base64"] ?? "", "base64").toString(), VALUE.password);
    assert.equal(rendered["none"], "$ $5 $$ {username}");
    assert.equal(renderPayload(VALUE, { text: "${username}" }), "orders_v7");
  });

  it("cannot name a field that the value has not, and the error says which there are, and no value", () => {
    for (const field of ["pasword", "toString", "__proto__"])
      assert.throws(
        () => renderPayload(VALUE, { text: `\${${field}}` }),
        (error: Error) =>
          error instanceof ConfigurationError &&
          error.message.includes(JSON.stringify(field)) &&
          error.message.includes("username, password, host") &&
          !error.message.includes(VALUE.password),
      );
  });

  it("is refused as an option with what is allowed, where it is no format", () => {
    for (const format of [
      "rsd",
      { fields: {} },
      { fields: { a: "${b:upper}" } },
      { text: "" },
      { text: "a", fields: {} },
      1,
    ])
      assert.match(payloadFormat.safeParse(format).error?.message ?? "", /format must be one of/);
    assert.ok(fieldsFormat.safeParse({ text: "${password}" }).error, "where there have to be fields");
    for (const format of ["fields", "rds", { fields: { a: "${b}" } }, { text: "${b:uri}" }])
      assert.equal(payloadFormat.safeParse(format).error, undefined);
  });

  it("is read back from one text, also where somebody else wrote it", () => {
    assert.deepEqual(parsePayload(payloadText(VALUE)), VALUE);
    assert.deepEqual(parsePayload('{"port":5432,"tls":true,"host":"a"}'), { port: "5432", tls: "true", host: "a" });
    for (const text of ["", "hunter2", "[1]", "5", "null", '"a"', "{"]) assert.equal(parsePayload(text), text);
  });
});
