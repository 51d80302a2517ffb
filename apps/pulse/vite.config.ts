import { defineConfig } from "vite";
import { VitePWA } from "vite-plugin-pwa";

/** The engine is one file of some megabytes, and without it nothing works when there is no network. */
const FILE_BYTES_MAX = 8_000_000;

export default defineConfig({
  build: {
    target: "es2022",
    // Nothing is put into other files: the server's policy lets no script and no style run inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ["index.html", "lab.html"] },
  },
  worker: { format: "es" },
  plugins: [
    VitePWA({
      registerType: "prompt",
      injectRegister: false,
      manifest: {
        id: "/",
        name: "CLARITY Pulse",
        short_name: "Pulse",
        description: "Your health data on your device, with or without a network.",
        start_url: "/",
        display: "standalone",
        background_color: "#f5f7fa",
        theme_color: "#0b5a8f",
        icons: [
          { src: "/icon.svg", sizes: "any", type: "image/svg+xml", purpose: "any" },
          { src: "/icon-maskable.svg", sizes: "any", type: "image/svg+xml", purpose: "maskable" },
        ],
        shortcuts: [
          { name: "Add weight", url: "/#/add/BodyMass" },
          { name: "Add blood pressure", url: "/#/add/BloodPressure" },
        ],
      },
      workbox: {
        globPatterns: ["**/*.{html,js,css,wasm,svg,webmanifest}"],
        maximumFileSizeToCacheInBytes: FILE_BYTES_MAX,
        navigateFallback: "/index.html",
        // What the server itself answers is never taken from the cache.
        navigateFallbackDenylist: [/^\/v1\//],
        cleanupOutdatedCaches: true,
      },
    }),
  ],
});
