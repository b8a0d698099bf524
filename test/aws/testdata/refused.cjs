// What aws-sdk-js v3 shows of a refusal, with the retries that it has by default.
//
// Usage: refused.cjs REGION   prints {"s3": {"Code", "Message"}}
const { S3Client, GetObjectCommand } = require("@aws-sdk/client-s3");
const { NodeHttpHandler } = require("@smithy/node-http-handler");

async function main() {
  const { HttpsProxyAgent } = await import("https-proxy-agent"); // which is an ES module
  const s3 = new S3Client({
    region: process.argv[2],
    requestHandler: new NodeHttpHandler({ httpsAgent: new HttpsProxyAgent(process.env.HTTPS_PROXY) }),
  });
  try {
    await s3.send(new GetObjectCommand({ Bucket: "bucket-of-nobody", Key: "key" }));
  } catch (e) {
    console.log(JSON.stringify({ s3: { Code: e.name, Message: e.message } }));
    return;
  }
  throw new Error("it was not refused");
}

main();
