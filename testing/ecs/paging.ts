/** Pages of at most 100 entries: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html */

const MOST = 100;

export function page<T>(all: readonly T[], maxResults = MOST, nextToken = "0") {
  const from = Number(nextToken);
  const to = from + Math.min(Math.max(maxResults, 1), MOST);
  return { items: all.slice(from, to), next: to < all.length ? { nextToken: String(to) } : {} };
}
