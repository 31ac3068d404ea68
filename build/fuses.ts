// Electron's fuses: switches in the packaged binary, set before signing. Everything that would let another program run
// code inside ours is off. Every fuse is named, so that a new one in a later Electron fails the build until it is decided.
import { type FuseConfig, FuseV1Options, FuseVersion } from "@electron/fuses";

/**
 * @param env with CONCLAVE_TEST_FLAVOUR=1 the package accepts --inspect, which Playwright needs to drive it; such a
 *   package is for tests and must not be given to users.
 */
export function fuses(env: NodeJS.ProcessEnv): FuseConfig {
  return {
    version: FuseVersion.V1,
    strictlyRequireAllFuses: true,
    [FuseV1Options.RunAsNode]: false,
    [FuseV1Options.EnableNodeOptionsEnvironmentVariable]: false,
    [FuseV1Options.EnableNodeCliInspectArguments]: env["CONCLAVE_TEST_FLAVOUR"] === "1",
    [FuseV1Options.EnableCookieEncryption]: true,
    // Only together do these two keep a changed app from loading.
    [FuseV1Options.EnableEmbeddedAsarIntegrityValidation]: true,
    [FuseV1Options.OnlyLoadAppFromAsar]: true,
    [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false,
    [FuseV1Options.GrantFileProtocolExtraPrivileges]: false,
    // Bounds checks of WebAssembly by the memory hardware; off would only make it slower.
    [FuseV1Options.WasmTrapHandlers]: true,
  };
}
