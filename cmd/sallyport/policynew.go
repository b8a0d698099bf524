package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/config"
	"sallyport/credentials"
	"sallyport/internal/hint"
	"sallyport/policy"
)

//go:embed template/policies/*.yaml
var policyTemplates embed.FS

// policyTemplate is a policy to start from.
type policyTemplate struct {
	Name  string   `json:"name"`
	About string   `json:"about"`
	Needs []string `json:"needs"` // the commands that add the credentials it names, with values of the user's own
	Adds  []string `json:"adds"`  // those that need no such values, and are carried out with it
	text  string
}

func templates() map[string]policyTemplate {
	const dir = "template/policies"
	all := map[string]policyTemplate{}
	entries, err := fs.ReadDir(policyTemplates, dir)
	if err != nil {
		panic("embedded folder is not there: " + err.Error())
	}
	for _, e := range entries {
		data, err := policyTemplates.ReadFile(path.Join(dir, e.Name()))
		if err != nil {
			panic("embedded file is not there: " + err.Error())
		}
		t := policyTemplate{Name: strings.TrimSuffix(e.Name(), ".yaml"), text: string(data), Needs: []string{}, Adds: []string{}}
		for line := range strings.Lines(t.text) {
			comment, ok := strings.CutPrefix(strings.TrimSpace(line), "# ")
			if !ok {
				break
			}
			needed, needs := strings.CutPrefix(comment, "needs: ")
			added, adds := strings.CutPrefix(comment, "adds: ")
			switch {
			case needs:
				t.Needs = append(t.Needs, needed)
			case adds:
				t.Adds = append(t.Adds, added)
			default:
				t.About = comment
			}
		}
		all[t.Name] = t
	}
	return all
}

func newPolicyNewCommand(a *app) *cobra.Command {
	var from string
	var list bool
	cmd := &cobra.Command{
		Use:   "new NAME --from TEMPLATE",
		Short: "Make a policy from a template",
		Long: `Writes policies/NAME.yaml from a template, with tests inside, for you to edit. Nothing is
written if the home would not be right with it, for example because the template names a
credential that is not there yet; then the command that adds it is told. The templates for
agents that people run (claude-code, codex, gemini, opencode, copilot) also write an entry for
the credential of their model, unless there is one of that name; the server reads its secret from the
variable that the entry names. A running server takes both over at once.`,
		Example: "  sallyport policy new --list\n  sallyport policy new writer --from github\n  sallyport policy new coder --from claude-code",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case list && len(args) == 0:
				return listTemplates(a)
			case len(args) != 1 || from == "":
				return usagef("give a NAME and --from TEMPLATE; `sallyport policy new --list` shows the templates")
			}
			return newPolicy(cmd.Context(), a, args[0], from)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the template")
	cmd.Flags().BoolVar(&list, "list", false, "list the templates")
	return cmd
}

func listTemplates(a *app) error {
	all := templates()
	names := slices.Sorted(maps.Keys(all))
	if a.json() {
		var values []policyTemplate
		for _, name := range names {
			values = append(values, all[name])
		}
		return writeJSON(a.stdout, values)
	}
	rows := make([][]string, 0, len(names))
	for _, name := range names {
		rows = append(rows, []string{name, all[name].About})
	}
	return table(a.stdout, []string{"TEMPLATE", "WHAT"}, rows)
}

func newPolicy(ctx context.Context, a *app, name, from string) error {
	t, ok := templates()[from]
	if !ok {
		return admin.UnknownName("template", from, slices.Sorted(maps.Keys(templates())), "there are none")
	}
	l, err := a.env().Layout()
	if err != nil {
		return err
	}
	set, err := a.loadHome()
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(t.text, "{{name}}", name)
	file := l.Policy(name)
	p, err := policy.Parse(file, []byte(text), languages()...)
	if err != nil {
		return &usageError{msg: err.Error()}
	}
	stubs, err := t.stubs(set.Credentials)
	if err != nil {
		return err
	}
	for _, use := range p.CredentialUses() {
		if set.Credentials.Lookup(use.Credential) == nil && stubs[use.Credential] == nil {
			return hint.With(fmt.Errorf("the template uses credential %s, which credentials.yaml does not have", use.Credential),
				"add it first, with your own values: %s", strings.Join(t.Needs, "; "))
		}
	}
	if _, err := os.Lstat(file); err == nil {
		return hint.With(fmt.Errorf("%s is there already", file), "choose another name, or edit it")
	}
	before, err := os.ReadFile(l.Credentials())
	if err != nil {
		return fmt.Errorf("read credentials: %w", err)
	}
	added := slices.AppendSeq([]string{}, maps.Keys(stubs))
	slices.Sort(added)
	for _, one := range added {
		if err = writeCredential(ctx, a, l, stubs[one]); err != nil {
			break
		}
	}
	if err == nil {
		err = placePolicy(a, l, file, text)
	}
	if err != nil {
		if len(added) > 0 {
			err = errors.Join(err, replaceCredentials(ctx, a, l, &credentialEntry{}, before))
		}
		return err
	}
	a.takeOver(ctx)
	return sayNewPolicy(a, name, file, added, l)
}

// stubs are the credentials that the template adds and the home does not have yet.
func (t policyTemplate) stubs(have *credentials.Set) (map[string]*credentialEntry, error) {
	stubs := map[string]*credentialEntry{}
	for _, command := range t.Adds {
		var o credentialEntry
		var cmd cobra.Command
		o.flags(&cmd)
		if err := cmd.ParseFlags(strings.Fields(command)); err != nil {
			return nil, fmt.Errorf("template %s: %w", t.Name, err)
		}
		o.name = cmd.Flags().Arg(cmd.Flags().NArg() - 1)
		if have.Lookup(o.name) == nil {
			stubs[o.name] = &o
		}
	}
	return stubs, nil
}

func sayNewPolicy(a *app, name, file string, added []string, l config.Layout) error {
	if a.json() {
		return writeJSON(a.stdout, map[string]any{"policy": name, "file": file, "credentials": added})
	}
	for _, one := range added {
		fmt.Fprintf(a.stdout, "credential %s is in %s; `sallyport credential check %s` tries it\n", one, l.Credentials(), one)
	}
	_, err := fmt.Fprintf(a.stdout, "policy %s is in %s; edit it, then `sallyport policy check`\n", name, file)
	return err
}

// placePolicy writes the file, and takes it back if the home is not right with it.
func placePolicy(a *app, l config.Layout, file, text string) error {
	err := writeDurably(file, []byte(text), 0o600)
	if errors.Is(err, fs.ErrExist) {
		return hint.With(fmt.Errorf("%s is there already", file), "choose another name, or edit it")
	}
	if err != nil {
		return fmt.Errorf("write policy: %w", err)
	}
	if _, err := config.Load(l, a.env().CheckOptions()); err != nil {
		return hint.With(errors.Join(err, os.Remove(file)), "nothing was written; see `sallyport policy new --list -o json` for what the template needs")
	}
	return nil
}
