/** undici types its index only; the version is pinned, and `test/unit/base/http.test.ts` runs it. */
declare module 'undici/lib/dispatcher/client.js' {
  import { Client } from 'undici';
  export default Client;
}
