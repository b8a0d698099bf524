// What a program does that was written for GitHub and knows of no proxy:
// node octokit.mjs MODULE API_URL. The token is a placeholder.
const { Octokit } = await import(process.argv[2]);
const octokit = new Octokit({ auth: process.env.GH_TOKEN, baseUrl: process.argv[3] });
const repo = { owner: "acme", repo: "web" };

const { data: found } = await octokit.rest.repos.get(repo);
console.log("repository", found.full_name);

const { data: pull } = await octokit.rest.pulls.create({ ...repo, title: "by octokit", head: "agent/octokit", base: "main" });
console.log("pull request", pull.title);

const issues = await octokit.paginate(octokit.rest.issues.listForRepo, repo);
console.log("issues", issues.length);
const many = await octokit.paginate(octokit.rest.issues.listForRepo, { owner: "acme", repo: "api", per_page: 2 });
console.log("pages", many.length);

const { repository } = await octokit.graphql(`query($owner: String!, $repo: String!) { repository(owner: $owner, name: $repo) { nameWithOwner } }`, repo);
console.log("graphql", repository.nameWithOwner);

try {
  await octokit.rest.repos.delete(repo);
} catch (error) {
  console.log("refused", error.status, error.message);
}
