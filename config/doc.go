// Package config is HOME, the folder a platform team edits: where its files are,
// what they say together, and when they change.
//
// [Load] parses sallyport.yaml, owners.yaml, credentials.yaml and policies/*.yaml
// whole, checks each against the others, and returns one immutable [Set], or every
// error at once with file, line and key. A [Store] holds the set in force and
// replaces it only by one that is right throughout, so a bad edit never takes the
// proxy down. [Store.Watch] notices changes of the files, however they are made.
//
// The package never writes to HOME, never reads a secret's value, and never
// follows a default where a file is missing.
package config
