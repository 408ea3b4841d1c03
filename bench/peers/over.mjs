import { openModel } from "./llama.mjs";
const t=+process.argv[3];
const { llama, model, createContext } = await openModel(process.argv[2],{threads:t,kv:"F16",flash:"auto"});
const { context, sequences:[s] } = await createContext({length:400});
const c=context._ctx; let dec=0,smp=0;
const P={decodeBatch:async(...a)=>{const b=performance.now();await c.decodeBatch(...a);dec+=performance.now()-b},sampleToken:async(...a)=>{const b=performance.now();const r=await c.sampleToken(...a);smp+=performance.now()-b;return r}}; context._ctx=new Proxy(c,{get:(t,k)=>P[k]??(typeof t[k]==="function"?t[k].bind(t):t[k])});

let id=3; const b=performance.now();
for(let i=0;i<200;i++) id=(await s.controlledEvaluate([[id,{generateNext:{token:true}}]]))[0].next.token;
const all=performance.now()-b; console.log({t,perStep:all/200,decode:dec/200,sample:smp/200});
await llama.dispose();
