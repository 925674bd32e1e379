-- Each query must return no rows, always; `podium check` runs them and names those that do.

-- name: done_task_without_ranking
select t.id from tasks t where t.status = 'done'
  and not exists (select from rankings r where r.task_id = t.id and r.is_current);

-- name: ranking_of_a_task_that_is_not_done
select r.id from rankings r join tasks t on t.id = r.task_id where t.status <> 'done';

-- name: more_labels_than_places
select s.id from slates s join tasks t on t.slate_id = s.id and t.status in ('done', 'leased')
where not t.is_check
group by s.id having count(*) > s.places;

-- name: labeler_twice_on_a_slate
select slate_id, labeler_id from rankings where is_current and not is_check
group by slate_id, labeler_id having count(*) > 1;

-- name: ranking_is_not_a_permutation_of_what_was_shown
select r.id from rankings r
where (select array_agg(i.response_id order by i.response_id)
       from ranking_items i where i.ranking_id = r.id)
   is distinct from (select array_agg(shown order by shown) from unnest(r.display_order) shown);

-- name: ranks_are_not_dense
select i.ranking_id from ranking_items i where i.rank is not null
group by i.ranking_id
having min(i.rank) <> 1 or max(i.rank) <> count(distinct i.rank);

-- name: comparisons_differ_from_pairs_minus_ties
select r.id from rankings r
join lateral (
    select coalesce(sum(n), 0) * (coalesce(sum(n), 0) - 1) / 2
           - coalesce(sum(n * (n - 1) / 2), 0) as expected
    from (select count(*) as n from ranking_items i
          where i.ranking_id = r.id and i.rank is not null group by i.rank) tied
) pairs on true
where r.is_current and not r.is_check and r.id not in (select ranking_id from excluded_rankings)
  and pairs.expected
   <> (select count(*) from comparisons c where c.ranking_id = r.id);

-- name: lease_longer_than_a_day
select id from tasks where status = 'leased' and lease_expires_at > now() + interval '24 hours';

-- name: running_without_a_heartbeat
select id from runs where status = 'running'
  and coalesce(heartbeat_at, started_at) < now() - interval '15 minutes';

-- name: succeeded_training_without_a_model
select id from runs where status = 'succeeded' and kind <> 'sample' and model_id is null;

-- name: equal_responses_offered_together
select a.slate_id from responses a join responses b
  on b.slate_id = a.slate_id and b.id > a.id and a.text = b.text
where a.problem is null and b.problem is null;

-- name: session_of_a_disabled_user
select s.user_id from sessions s join users u on u.id = s.user_id where not u.is_active;

-- name: pending_slate_with_tasks
select s.id from slates s join tasks t on t.slate_id = s.id where s.status = 'pending';

-- name: closed_round_that_is_labeled
select t.id from tasks t join slates s on s.id = t.slate_id
join rounds r on r.id = coalesce(t.asked_round_id, s.round_id)
where r.closed_at is not null and t.status in ('open', 'leased');

-- name: check_that_is_open_to_all
select id from tasks where is_check and status = 'open';

-- name: same_check_twice
select slate_id, labeler_id, purpose from tasks where purpose in ('gold', 'repeat')
group by slate_id, labeler_id, purpose having count(*) > 1;

-- name: ranking_differs_from_its_task
select r.id from rankings r join tasks t on t.id = r.task_id
where (r.purpose, r.occasion, r.slate_id) <> (t.purpose, t.occasion, t.slate_id)
   or r.propensity is distinct from t.propensity;
