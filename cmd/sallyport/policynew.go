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
	"sallyport/internal/hint"
	"sallyport/policy"
)

//go:embed template/policies/*.yaml
var policyTemplates embed.FS

// policyTemplate is a policy to start from.
type policyTemplate struct {
	Name  string   `json:"name"`
	About string   `json:"about"`
	Needs []string `json:"needs"` // the commands that add the credentials it names
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
		t := policyTemplate{Name: strings.TrimSuffix(e.Name(), ".yaml"), text: string(data), Needs: []string{}}
		for line := range strings.Lines(t.text) {
			comment, ok := strings.CutPrefix(strings.TrimSpace(line), "# ")
			if !ok {
				break
			}
			if command, ok := strings.CutPrefix(comment, "needs: "); ok {
				t.Needs = append(t.Needs, command)
			} else {
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
credential that is not there yet; then the command that adds it is told. A running server
takes it over at once.`,
		Example: "  sallyport policy new --list\n  sallyport policy new writer --from github",
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
	for _, use := range p.CredentialUses() {
		if set.Credentials.Lookup(use.Credential) == nil {
			return hint.With(fmt.Errorf("the template uses credential %s, which credentials.yaml does not have", use.Credential),
				"add it first, with your own values: %s", strings.Join(t.Needs, "; "))
		}
	}
	if err := placePolicy(a, l, file, text); err != nil {
		return err
	}
	a.takeOver(ctx)
	if a.json() {
		return writeJSON(a.stdout, map[string]string{"policy": name, "file": file})
	}
	_, err = fmt.Fprintf(a.stdout, "policy %s is in %s; edit it, then `sallyport policy check`\n", name, file)
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
