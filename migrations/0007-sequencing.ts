import { type Kysely, sql } from 'kysely'

/**
 * A run of the sequencer as one statement: it moves up to `most` committed events from the outbox to the end of the log,
 * in the order in which they were reported, and answers how many, and the head. With a `channel` it notifies of the head.
 *
 * The head is locked by a statement of its own: under READ COMMITTED each statement of a volatile function has a snapshot
 * taken when it begins, so that the next one sees all that was committed while this one waited for the lock, and all that
 * the former holder moved away.
 */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create function sequence_outbox(most integer, channel text, out moved integer, out head bigint)
    language plpgsql volatile as $$
    begin
      select seq into strict head from journal_head for update;
      with taken as (
        delete from outbox where id in (select id from outbox order by id limit most) returning *
      )
      insert into event_log (seq, type, subject, detail, audience, audience_members, actor, on_behalf_of, request_id, at)
      select head + row_number() over (order by id), type, subject, detail, audience, audience_members, actor,
        on_behalf_of, request_id, at
      from taken;
      get diagnostics moved = row_count;
      if moved > 0 then
        head := head + moved;
        update journal_head set seq = head;
        perform pg_notify(channel, head::text) where channel is not null;
      end if;
    end
    $$`.execute(db)
}
