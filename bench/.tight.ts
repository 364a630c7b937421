import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { readFileSync, existsSync } from "node:fs"
const [data="",secs=""]=process.argv.slice(2)
const state=data+"/secrets/demo.json"
while(!existsSync(state)) await new Promise(r=>setTimeout(r,50))
const vkey=JSON.parse(readFileSync(state,"utf8")).vkey
const counts=new Map<string,number>(); const end=Date.now()+Number(secs)*1000; let n=0,maxsize=0
while(Date.now()<end){let k:string;try{const r=await verifyArchive(await openDirectory(data+"/archive"),{keys:[parseVerifierKey(vkey)],sha256,verifySignature});maxsize=r.size
k=r.verdict.integrity+" "+r.verdict.completeness+" "+[...new Set(r.findings.filter(f=>f.severity!=="notice"&&(f.question==="integrity"||f.question==="completeness")).map(f=>f.code))].sort()+" | "+[...new Set(r.findings.filter(f=>f.severity==="notice").map(f=>f.code))].sort()}catch(e){k="CRASH "+String(e).slice(0,200)};n++;counts.set(k,(counts.get(k)??0)+1);await new Promise(r=>setTimeout(r,1))}
console.log(n,"verifications, last size",maxsize);for(const[k,v]of counts)console.log(v,k)
