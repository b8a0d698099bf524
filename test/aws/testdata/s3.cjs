// What aws-sdk-js v3 does with S3. It reads no proxy variable, so its program has to
// hand it an agent; nothing else tells of a proxy.
//
// Usage: s3.cjs BUCKET REGION KEYS [ENDPOINT]
const { S3Client, CreateBucketCommand, PutObjectCommand, GetObjectCommand, DeleteObjectsCommand } = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { NodeHttpHandler } = require("@smithy/node-http-handler");
const { createHash } = require("node:crypto");
const { createReadStream, writeFileSync } = require("node:fs");
const { Readable } = require("node:stream");

const [bucket, region, keys, endpoint] = [process.argv[2], process.argv[3], JSON.parse(process.argv[4]), process.argv[5]];

function data(size, seed) {
  const block = createHash("sha512").update(seed).digest();
  return Buffer.alloc(size, block);
}

async function main() {
  const { HttpsProxyAgent } = await import("https-proxy-agent"); // which is an ES module
  const s3 = new S3Client({
    region,
    endpoint,
    forcePathStyle: endpoint !== undefined,
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({ httpsAgent: new HttpsProxyAgent(process.env.HTTPS_PROXY) }),
  });
  const same = async (name, key, want) => {
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: "ENABLED" }));
    if (Buffer.compare(Buffer.from(await got.Body.transformToByteArray()), want) !== 0) throw new Error(`${name}: other bytes came back of ${key}`);
    console.log("same", name, key, want.length);
  };
  await s3.send(new CreateBucketCommand({ Bucket: bucket, CreateBucketConfiguration: { LocationConstraint: region } }));
  for (const key of keys) {
    const body = data(5000, key);
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: "buffer/" + key, Body: body, Metadata: { note: "two  spaces" } }));
    await same("buffer", "buffer/" + key, body);
  }
  for (const size of [0, 1, 3000000]) {
    const body = data(size, "stream");
    writeFileSync("body", body);
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: "stream/" + size, Body: createReadStream("body"), ContentLength: size }));
    await same("stream", "stream/" + size, body);
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: "buffer/" + size, Body: body }));
    await same("buffer", "buffer/" + size, body);
  }
  const body = data(12000000, "upload");
  for (const [name, source] of [["upload of a buffer", body], ["upload of a stream", Readable.from([body.subarray(0, 7000000), body.subarray(7000000)])]]) {
    await new Upload({ client: s3, params: { Bucket: bucket, Key: name, Body: source }, partSize: 5 << 20 }).done();
    await same("Upload", name, body);
  }
  const gone = await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: keys.map((k) => ({ Key: "buffer/" + k })) } }));
  if (gone.Deleted.length !== keys.length) throw new Error("not deleted");
  console.log("deleted", keys.length);
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
