// Node-RED with nothing but one HTTP flow: no editor, no projects, quiet log.
module.exports = {
  flowFile: "flows.json",
  httpAdminRoot: false,
  httpNodeRoot: "/",
  logging: { console: { level: "warn", metrics: false, audit: false } },
  diagnostics: { enabled: false },
  runtimeState: { enabled: false },
  externalModules: { autoInstall: false, palette: { allowInstall: false } },
};
