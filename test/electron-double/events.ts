/** Events as Electron hands them to listeners: with preventDefault, and details as properties. */
export type PreventableEvent<T extends object = object> = T & {
  preventDefault(): void;
  readonly defaultPrevented: boolean;
};

export function preventable<T extends object>(details: T): PreventableEvent<T> {
  let prevented = false;
  return Object.defineProperties({ ...details } as PreventableEvent<T>, {
    preventDefault: {
      value: () => {
        prevented = true;
      },
    },
    defaultPrevented: { get: () => prevented },
  });
}
