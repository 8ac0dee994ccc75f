// Data forms (XEP-0004), as far as pubsub and discovery need them.

import { element, NS, type XmlElement } from './packet.ts';

export type FieldType = 'hidden' | 'boolean' | 'text-single' | 'list-single' | 'text-multi' | 'jid-multi';

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly values: readonly string[];
  readonly label?: string;
  readonly options?: readonly string[];
}

export function form(
  type: 'form' | 'result' | 'submit',
  formType: string,
  fields: readonly Field[],
  title?: string,
): XmlElement {
  const all: Field[] = [{ name: 'FORM_TYPE', type: 'hidden', values: [formType] }, ...fields];
  const head = title === undefined ? [] : [element('title', NS.forms, {}, [title])];
  return element('x', NS.forms, { type }, [...head, ...all.map(fieldElement)]);
}

function fieldElement({ name, type, values, label, options = [] }: Field): XmlElement {
  return element('field', NS.forms, { var: name, type, label }, [
    ...values.map((value) => element('value', NS.forms, {}, [value])),
    ...options.map((option) => element('option', NS.forms, {}, [element('value', NS.forms, {}, [option])])),
  ]);
}

/** The values of a submitted form by field; undefined: it is none, or of another type. */
export function submitted(
  x: XmlElement | undefined,
  formType: string,
): Map<string, readonly string[]> | undefined {
  if (x === undefined || !x.is('x', NS.forms) || x.attribute('type') !== 'submit') return undefined;
  const fields = new Map<string, readonly string[]>();
  for (const field of x.elements('field')) {
    const name = field.attribute('var');
    if (name !== undefined)
      fields.set(
        name,
        field.elements('value').map((value) => value.text),
      );
  }
  const said = fields.get('FORM_TYPE')?.[0];
  return said === undefined || said === formType ? fields : undefined;
}

/** [XEP-0004-3.3] */
export function isTrue(value: string | undefined): boolean {
  return value === '1' || value === 'true';
}
