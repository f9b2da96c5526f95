// The official npm client (alipay-sdk), unmodified; in and out as `official.py`.
import { readFileSync } from "node:fs";
import { AlipaySdk } from "alipay-sdk";

const given = JSON.parse(readFileSync(0, "utf8"));
const sdk = new AlipaySdk({
  appId: given.app_id,
  privateKey: given.app_private_key,
  ...(given.certificates
    ? {
        appCertContent: given.certificates.app,
        alipayPublicCertContent: given.certificates.gateway,
        alipayRootCertContent: given.certificates.root,
      }
    : { alipayPublicKey: given.alipay_public_key }),
  gateway: given.gateway,
  keyType: "PKCS1",
  signType: given.sign_type ?? "RSA2",
  camelcase: false,
});

const outcomes = [];
for (const [method, biz] of given.calls) {
  const node = await sdk.exec(method, biz === null ? {} : { bizContent: biz }, { validateSign: true });
  outcomes.push({ code: node.code, sub_code: node.sub_code ?? node.subCode, ok: node.code === "10000", seen: node });
}
process.stdout.write(JSON.stringify(outcomes));
