//! `#[derive(Written)]`: how a structure of the configuration is read (`reading::Written`), made from its definition.
//!
//! It takes serde's attributes, since the schema and the effective document come from the same definitions by serde and schemars. It takes
//! serde's place in reading for the module's size alone: a visitor has some 400 bytes of code for each field, and there are 480;
//! here each is one call.
//!
//! Covered: structures with names for their fields and `deny_unknown_fields`, of one field without a name, enumerations of names; `default`,
//! `rename`, `rename_all`, `deserialize_with` in a structure that has defaults. Anything else does not compile.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{parse_macro_input, Attribute, Data, DeriveInput, Error, Field, Fields, LitStr, Path, Token, Variant};

/// What serde's attributes say of a structure, a field or a variant.
#[derive(Default)]
struct Said {
    denies_unknown: bool,
    default: Option<Absent>,
    rename: Option<String>,
    rename_all: Option<String>,
    with: Option<Path>,
}

/// What stands for a field that is not written.
enum Absent {
    OfType,
    By(Path),
}

/// Implements `Written`.
#[proc_macro_derive(Written, attributes(serde))]
pub fn written(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    implementation(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn implementation(input: &DeriveInput) -> Result<TokenStream, Error> {
    let name = &input.ident;
    let said = Said::new(&input.attrs)?;
    let body = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if said.denies_unknown => {
                let (known, read) = fields_of(&said, &fields.named)?;
                let expected = format!("struct {name}");
                quote! {
                    const KNOWN: &[&str] = &[#(#known),*];
                    let members = node.members(#expected, KNOWN);
                    #read
                }
            }
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                quote!(Self(crate::reading::Written::read(node)))
            }
            _ => {
                return Err(Error::new_spanned(
                    name,
                    "expected `deny_unknown_fields`, or one field without a name",
                ))
            }
        },
        Data::Enum(data) => {
            let (known, chosen) = variants(&said, &data.variants)?;
            let expected = format!("enum {name}");
            quote! {
                const KNOWN: &[&str] = &[#(#known),*];
                match node.choice(#expected, KNOWN) { #chosen }
            }
        }
        Data::Union(_) => return Err(Error::new_spanned(name, "a union has no written form")),
    };
    Ok(quote! {
        impl crate::reading::Written for #name {
            fn read(node: &crate::reading::Node<'_>) -> Self {
                #body
            }
        }
    })
}

/// The names of the fields, and what reads them: into a structure that has its defaults, or one after the other.
fn fields_of(said: &Said, fields: &Punctuated<Field, Token![,]>) -> Result<(Vec<String>, TokenStream), Error> {
    let (mut known, mut reads) = (Vec::new(), Vec::new());
    let in_place = said.default.is_some();
    for field in fields {
        let Some(ident) = &field.ident else { continue };
        let said = Said::new(&field.attrs)?;
        let name = said.rename.unwrap_or_else(|| ident.to_string());
        reads.push(match (in_place, said.default, said.with) {
            (true, None, None) => quote!(members.put(#name, &mut written.#ident);),
            (true, None, Some(with)) => quote!(members.put_by(#name, &mut written.#ident, #with);),
            (false, None, None) => quote!(#ident: members.get(#name),),
            (false, Some(Absent::OfType), None) => {
                quote!(#ident: members.get_or(#name, ::core::default::Default::default),)
            }
            (false, Some(Absent::By(path)), None) => quote!(#ident: members.get_or(#name, #path),),
            _ => {
                return Err(Error::new_spanned(ident, "`default` and `deserialize_with` do not go together here"))
            }
        });
        known.push(name);
    }
    let read = if in_place {
        quote! {
            let mut written = <Self as ::core::default::Default>::default();
            #(#reads)*
            written
        }
    } else {
        quote!(Self { #(#reads)* })
    };
    Ok((known, read))
}

/// The names of the variants, and the arms that choose one by its place.
fn variants(said: &Said, variants: &Punctuated<Variant, Token![,]>) -> Result<(Vec<String>, TokenStream), Error> {
    let (mut known, mut arms) = (Vec::new(), Vec::new());
    for (place, variant) in variants.iter().enumerate() {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new_spanned(variant, "a variant is a name alone"));
        }
        let ident = &variant.ident;
        let own = Said::new(&variant.attrs)?.rename;
        known.push(own.unwrap_or_else(|| renamed(&ident.to_string(), said.rename_all.as_deref())));
        // The last one needs no number: there is no other place.
        let is_last = place.checked_add(1) == Some(variants.len());
        arms.push(if is_last { quote!(_ => Self::#ident,) } else { quote!(#place => Self::#ident,) });
    }
    Ok((known, quote!(#(#arms)*)))
}

fn renamed(variant: &str, rule: Option<&str>) -> String {
    match rule {
        Some("lowercase") => variant.to_lowercase(),
        Some("snake_case") => {
            let mut name = String::new();
            for letter in variant.chars() {
                if letter.is_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.extend(letter.to_lowercase());
            }
            name
        }
        _ => variant.to_owned(),
    }
}

impl Said {
    fn new(attributes: &[Attribute]) -> Result<Self, Error> {
        let mut said = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| said.hear(&meta))?;
        }
        Ok(said)
    }

    fn hear(&mut self, meta: &ParseNestedMeta<'_>) -> Result<(), Error> {
        let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match name.as_str() {
            "deny_unknown_fields" => self.denies_unknown = true,
            "default" if meta.input.peek(Token![=]) => self.default = Some(Absent::By(text(meta)?.parse()?)),
            "default" => self.default = Some(Absent::OfType),
            "rename" => self.rename = Some(text(meta)?.value()),
            "rename_all" => match text(meta)?.value() {
                rule if ["lowercase", "snake_case"].contains(&rule.as_str()) => self.rename_all = Some(rule),
                _ => return Err(meta.error("expected `lowercase` or `snake_case`")),
            },
            "deserialize_with" => self.with = Some(text(meta)?.parse()?),
            // How it is written is serde's.
            "serialize_with" => drop(text(meta)?),
            _ => return Err(meta.error("not known to `Written`")),
        }
        Ok(())
    }
}

fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr, Error> {
    meta.value()?.parse()
}
