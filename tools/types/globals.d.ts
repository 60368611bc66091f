// What pages define before the modules run: Django's JavaScriptCatalog (`/jsi18n/`).

/** The translation of `text`, or `text` itself. */
declare function gettext(text: string): string;
/** The translation of the form that `count` needs. */
declare function ngettext(singular: string, plural: string, count: number): string;
/** As gettext, for a text that means different things in different places. */
declare function pgettext(context: string, text: string): string;
declare function npgettext(context: string, singular: string, plural: string, count: number): string;
/** Fill `%s` from a list, or `%(name)s` from an object when `named` is true. */
declare function interpolate(format: string, values: unknown[] | Record<string, unknown>, named?: boolean): string;
declare function get_format(name: string): string | string[] | number;
