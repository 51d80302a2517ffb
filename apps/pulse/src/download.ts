// Hands a file to the person.

export function download(name: string, type: string, parts: readonly BlobPart[]): void {
  const url = URL.createObjectURL(new Blob([...parts], { type }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  // The browser has begun to read it by the next task at the latest.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
