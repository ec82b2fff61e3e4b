// Search when the site is opened from disk: browsers start no worker from file://, so its script runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inner = this.frame.contentWindow;
      inner.postMessage = (data) => this.deliver(this, data);
      const script = inner.document.createElement("script");
      script.src = new URL(url, location);
      this.ready = new Promise((resolve) => (script.onload = resolve));
      inner.document.head.append(script);
    }
    postMessage(data) {
      this.ready.then(() => this.deliver(this.frame.contentWindow, data));
    }
    deliver(to, data) {
      const copy = structuredClone(data); // as between threads
      setTimeout(() => to?.onmessage?.({ data: copy }));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
